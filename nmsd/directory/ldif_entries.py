"""Searches for an entry by what is in it (entry_search), in the embedded directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nmsd.directory.dn import Dn, is_within, normal, parse_dn
from nmsd.directory.entry_search import CERTIFICATE, EntriesFound, EntryFound, EntrySearch, Term
from nmsd.directory.ldif_file import Entry

_Attributes = Mapping[str, list[str]]


class LdifEntries:
    """The entries of one state of the file; what is searched for is indexed at the first search for it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: list[tuple[str, Dn, _Attributes]] = []
        for entry in entries:
            try:
                name = normal(parse_dn(entry.dn))
            except ValueError:
                continue  # nobody can mean it
            self._entries.append((entry.dn, name, entry.attributes()))
        self._index: dict[tuple[str, bool], dict[object, list[int]]] = {}

    def find(self, search: EntrySearch, most: int) -> EntriesFound:
        """At most so many entries, as far as they are not looked at as users'."""
        base = normal(parse_dn(search.base)) if search.base else ()
        places = set(range(len(self._entries))) if not search.terms else self._matching(search.terms)
        found = []
        for place in sorted(places):
            dn, name, attributes = self._entries[place]
            if not (name == base if search.itself else is_within(name, base)):
                continue
            raw = attributes.get(CERTIFICATE, []) if search.with_certificates else []
            found.append(EntryFound(dn, None, "", tuple(value.encode("utf-8", "surrogateescape") for value in raw)))
        return EntriesFound(search.base, search.filter(), tuple(found[:most]), len(found) > most)

    def _matching(self, terms: Iterable[Term]) -> set[int]:
        return set.intersection(*(self._places(term) for term in terms))

    def _places(self, term: Term) -> set[int]:
        """Where there are entries that a term fits."""
        places: set[int] = set()
        for name in term.names:
            index = self._indexed(name.lower(), term)
            for value in term.values:
                places.update(index.get(term.key(value), ()))
        return places

    def _indexed(self, name: str, term: Term) -> dict[object, list[int]]:
        index = self._index.get((name, term.is_dn))
        if index is None:
            index = {}
            for place, (_, _, attributes) in enumerate(self._entries):
                for value in attributes.get(name, ()):
                    key = term.key(value)
                    if key is not None:
                        index.setdefault(key, []).append(place)
            self._index[name, term.is_dn] = index
        return index
