"""The settings for clients' certificates: what makes no sense together is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmsd.config.load import read
from nmsd.settings import SECTIONS
from tests.directory.authority import Authority
from tests.unit.server.server_stand import write_certificate

CA = {"encryption.clientcafile": "etc/users-ca.pem"}


@pytest.mark.parametrize(
    ("settings", "name", "told"),
    [
        ({}, "", ""),
        (CA, "", ""),
        ({**CA, "service.imap.certificatepreauth": "yes", "service.pop.requirecertificate": "yes"}, "", ""),
        ({"encryption.clientcafile": "etc/none.pem"}, "encryption.clientcafile", "etc/none.pem: cannot be read"),
        ({"encryption.clientcafile": "etc/nmsd.conf"}, "encryption.clientcafile", "no certificates in PEM"),
        ({**CA, "encryption.clientcrlfiles": "etc/none.crl"}, "encryption.clientcrlfiles", "none.crl: cannot be read"),
        ({**CA, "encryption.nscertfile": ""}, "encryption.clientcafile", "needs TLS"),
        ({"encryption.clientcrlfiles": "etc/x.crl"}, "encryption.clientcrlfiles", "is of no use without"),
        ({"service.pop.certificatepreauth": "yes"}, "service.pop.certificatepreauth", "names no authorities to trust"),
        (
            {"service.imap.requirecertificate": "yes"},
            "service.imap.requirecertificate",
            "names no authorities to trust",
        ),
        (
            {**CA, "service.imap.allowcertificatelogin": "no", "service.imap.requirecertificate": "yes"},
            "service.imap.requirecertificate",
            "asks for what service.imap.allowcertificatelogin = no does not take",
        ),
    ],
)
def test_settings_that_make_no_sense_are_told(tmp_path: Path, settings: dict[str, str], name: str, told: str) -> None:
    write_certificate(tmp_path)
    Authority(tmp_path / "etc", "users-ca")
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (tmp_path / "etc/nmsd.conf").write_text(lines or "\n")
    found = read(str(tmp_path), SECTIONS, environ={}).problems
    mine = [problem for problem in found if problem.name.startswith(("encryption.client", "service."))]
    mine = [problem for problem in mine if "sslport" not in problem.name]
    assert [problem.name for problem in mine] == ([name] if name else [])
    assert all(told in str(problem) and problem.mend for problem in mine)
