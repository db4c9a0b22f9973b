// Fetches the parts marked data-live anew every few seconds, unless someone is working in them.
"use strict";
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
