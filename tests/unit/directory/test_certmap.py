"""certmap.conf: the rules as Netscape wrote them, and mistakes told by line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nmsd.config.load import read
from nmsd.directory.certmap import SHIPPED, CertificateMap, Rule, load_certmap, read_certmap
from nmsd.directory.dn import normal, parse_dn
from nmsd.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[3]
BEGIN = "certmap default default\ndefault:DNComps\ndefault:FilterComps e, uid\n"


def rules(text: str) -> CertificateMap:
    found, problems = read_certmap("certmap.conf", text)
    assert problems == []
    assert found is not None
    return found


def test_the_shipped_file_is_the_one_that_is_built_in_and_finds_users_by_their_address() -> None:
    assert (ROOT / "etc/certmap.conf").read_text() == SHIPPED
    assert rules(SHIPPED) == CertificateMap((Rule("default", None, (), ("e", "uid")),))


def test_an_example_of_netscapes_guide_is_read() -> None:
    found = rules("""
# lines of the guide
certmap default default
default:DNComps
default:FilterComps e, uid

certmap MyCA ou=MySpecialTrust,o=MyOrg,c=US
MyCA:DNComps ou o c
MyCA:FilterComps e
MyCA:verifycert on
certmap other\tCN=Other CA, O="Other, Inc.", C=US
other:CmapLdapAttr certSubjectDN
""")
    mine = found.rule_for(normal(parse_dn("OU=mySpecialTrust, O=MyOrg, C=us")))
    assert (mine.name, mine.dn_comps, mine.filter_comps, mine.verify) == ("MyCA", ("ou", "o", "c"), ("e",), True)
    other = found.rule_for(normal(parse_dn("cn=other ca,o=Other\\, Inc.,c=US")))
    assert (other.name, other.dn_comps, other.filter_comps) == ("other", None, None)
    assert (other.verify, other.attribute) == (False, "certSubjectDN")


@pytest.mark.parametrize(
    "issuer", ["CN=My CA", "CN=My CA,O=Example,C=USA", "O=Example,CN=My CA", "CN=My CAx,O=Example"]
)
def test_the_issuer_must_be_the_very_one(issuer: str) -> None:
    found = rules(BEGIN + "certmap mine CN=My CA, O=Example\nmine:FilterComps uid\n")
    assert found.rule_for(normal(parse_dn(issuer))).name == "default"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 0, "no line `certmap default default`"),
        ("certmap x CN=a\n", 0, "no line `certmap default default`"),
        ("default:FilterComps e\n", 0, "no line `certmap default default`"),
        (BEGIN + "hello\n", 4, "not a line of certmap.conf: hello"),
        (BEGIN + "certmap x\n", 4, "no name, or no issuer"),
        (BEGIN + "certmap x CN=a,,\nx:FilterComps e\n", 4, "the issuer cannot be read"),
        (BEGIN + "certmap x default\n", 4, "default is a name and an issuer"),
        (BEGIN + "certmap default default\n", 4, "a second certmap line of this name"),
        (BEGIN + "certmap x CN=a\ncertmap y cn = A\n", 5, "a second name for this issuer"),
        (BEGIN + "x:FilterComps e\n", 4, "no certmap line has this name"),
        (BEGIN + "default:FilterComp e\n", 4, "did you mean FilterComps?"),
        (BEGIN + "default: e\n", 4, "there is no such property"),
        (BEGIN + "default:filtercomps e\n", 4, "stands twice, first on line 3"),
        (BEGIN + "default:verifycert yes\n", 4, "neither on nor off"),
        (BEGIN + "default:CmapLdapAttr (x=*)\n", 4, "no name of an attribute"),
        (BEGIN + "default:library /lib/evil.so\n", 4, "code of other programs is not run"),
        (BEGIN + "default:InitFn evil_init\n", 4, "code of other programs is not run"),
        (BEGIN + "certmap x CN=a\nx:FilterComps e uidd\n", 5, "did you mean uid?"),
        (BEGIN + "certmap x CN=a\nx:DNComps\n", 4, "these rules find every user, so none"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_mend(text: str, line: int, told: str) -> None:
    found, problems = read_certmap("certmap.conf", text)
    assert found is None
    assert any(problem.line == line and told in str(problem) for problem in problems), problems
    assert all(problem.mend and problem.source == "certmap.conf" for problem in problems)


def test_all_mistakes_are_told_at_once() -> None:
    text = "hello\ndefault:verifycert maybe\ncertmap default default\ndefault:FilterComps e shoesize\n"
    assert [problem.line for problem in read_certmap("certmap.conf", text)[1]] == [1, 4, 2]


def test_without_the_file_the_shipped_rules_hold(tmp_path: Path) -> None:
    assert load_certmap(str(tmp_path / "none")) == (rules(SHIPPED), [])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "certmap.conf"
    path.write_bytes(BEGIN.encode() + b"# caf\xe9\n")
    [problem] = load_certmap(str(path))[1]
    assert (problem.line, problem.what) == (4, "is not UTF-8 text")
    [problem] = load_certmap(str(tmp_path))[1]
    assert "cannot be read" in problem.what


def test_the_configuration_check_tells_of_its_mistakes(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nmsd.conf").write_text("service.imap.port = 10143\n")
    (tmp_path / "etc/certmap.conf").write_text(BEGIN + "default:verifycert yes\n")
    told = [str(problem) for problem in read(str(tmp_path), SECTIONS, environ={}).problems]
    place = os.path.join(tmp_path, "etc/certmap.conf")
    assert f"{place}:4: default:verifycert = yes: neither on nor off; write one of the two" in told
    (tmp_path / "etc/nmsd.conf").write_text("local.certmapfile = etc/nothing.conf\n")
    told = [str(problem) for problem in read(str(tmp_path), SECTIONS, environ={}).problems]
    assert any("local.certmapfile = etc/nothing.conf" in line and "there is no file" in line for line in told)
