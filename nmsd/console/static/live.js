"use strict";

// Fetches the parts marked data-live anew every few seconds, unless someone is working in them.
for (const part of document.querySelectorAll("[data-live]")) {
  setInterval(async () => {
    if (document.hidden || part.contains(document.activeElement) || part.querySelector("details[open]")) return;
    try {
      const answer = await fetch(part.dataset.live, { credentials: "same-origin", redirect: "error" });
      if (answer.ok && !part.contains(document.activeElement)) part.innerHTML = await answer.text();
    } catch {
      // The server is being restarted, or the session has ended: what is shown stays.
    }
  }, 1000 * (part.dataset.every || 5));
}

// Says beside a field of settings what is wrong with it, as one types.
const settings = document.querySelector("form.settings");
if (settings) {
  let waiting;
  settings.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => check(event.target), 300);
  });
}

async function check(field) {
  const typed = field.value;
  const asked = { csrf: settings.elements.csrf.value, name: field.name, value: typed };
  try {
    const answer = await fetch("/settings/check", { method: "POST", body: new URLSearchParams(asked), redirect: "error" });
    if (!answer.ok || field.value !== typed) return;
    const { error } = await answer.json();
    document.getElementById(`${field.id}-error`).textContent = error;
    field.setAttribute("aria-invalid", error ? "true" : "false");
    field.closest(".field").classList.toggle("wrong", Boolean(error));
  } catch {
    // Saving checks it, too.
  }
}
