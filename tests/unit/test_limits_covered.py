"""Every setting that is a limit has a test at its edge, named here; one that has none fails this test.

A limit is any setting that takes a number or a size, but for ports.  A number that bounds nothing stands in NO_LIMITS,
with what it is instead.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nmsd.config.setting import Setting
from nmsd.settings import SECTIONS

ROOT = Path(__file__).resolve().parents[2]

LIMITS = {
    r"local\.stoptimeout": "tests/server/test_supervisor.py::test_a_worker_that_does_not_stop_in_time_is_killed",
    r"local\.workertimeout": (
        "tests/server/test_supervisor.py::test_a_worker_that_says_nothing_for_long_tells_where_it_hangs_is_killed_and_replaced"
    ),
    r"service\.(imap|pop)\.plaintextmincipher": (
        "tests/faults/test_services.py::test_a_password_is_taken_with_a_strong_enough_cipher_only"
    ),
    r"service\.(imap|pop|lmtp)\.maxsessions": (
        "tests/faults/test_limits.py::test_one_session_too_many_is_turned_away_at_once"
    ),
    r"service\.(imap|pop|lmtp)\.maxthreads": (
        "tests/faults/test_services.py::test_with_one_thread_commands_are_served_in_order_and_short_ones_at_once"
    ),
    r"service\.(imap|pop|lmtp)\.numprocesses": "tests/faults/test_limits.py::test_two_workers_share_the_sessions",
    r"service\.(imap|pop|lmtp)\.idletimeout": "tests/faults/test_limits.py::test_silent_clients_are_dropped",
    r"imap\.logintimeout": "tests/faults/test_limits.py::test_silent_clients_are_dropped",
    r"imap\.maxline": "tests/faults/test_protocol_limits.py::test_imap_a_command_line",
    r"imap\.maxliterals": "tests/faults/test_protocol_limits.py::test_imap_literals",
    r"imap\.maxappend": "tests/faults/test_protocol_limits.py::test_imap_all_messages_of_one_append",
    r"imap\.nonsyncliterals": "tests/faults/test_protocol_limits.py::test_imap_literals_that_do_not_wait",
    r"imap\.maxbadcommands": "tests/faults/test_protocol_limits.py::test_imap_bad_commands",
    r"imap\.maxsearchdepth": "tests/faults/test_protocol_limits.py::test_imap_depth_of_a_search",
    r"imap\.idleheartbeat": "tests/faults/test_protocol_limits.py::test_imap_the_heartbeat_of_idle",
    r"service\.pop\.popminpoll": "tests/transcripts/pop3/login.txt",
    r"service\.pop\.maxline": "tests/faults/test_protocol_limits.py::test_pop_a_command_line",
    r"service\.pop\.maxbadcommands": "tests/faults/test_protocol_limits.py::test_pop_bad_commands",
    r"lmtp\.maxline": "tests/faults/test_protocol_limits.py::test_lmtp_a_command_line",
    r"lmtp\.maxrecipients": "tests/faults/test_protocol_limits.py::test_lmtp_recipients",
    r"lmtp\.maxbadcommands": "tests/faults/test_protocol_limits.py::test_lmtp_bad_commands",
    r"store\.maxmessagesize": "tests/faults/test_protocol_limits.py::test_lmtp_one_message",
    r"store\.maxmailboxes": "tests/faults/test_protocol_limits.py::test_store_mailboxes",
    r"store\.maxnamelength": "tests/faults/test_protocol_limits.py::test_store_length_of_a_name",
    r"store\.maxhierarchydepth": "tests/faults/test_protocol_limits.py::test_store_levels_of_a_name",
    r"store\.maxmimedepth": "tests/faults/test_protocol_limits.py::test_mime_levels",
    r"store\.maxmimeparts": "tests/faults/test_protocol_limits.py::test_mime_parts",
    r"store\.maxmimeheader": "tests/faults/test_protocol_limits.py::test_mime_header",
    r"store\.maxmimeaddresses": "tests/faults/test_protocol_limits.py::test_mime_addresses",
    r"store\.journalsize": "tests/unit/store/test_store_journal.py::test_a_full_journal_begins_anew_and_still_protects",
    r"store\.expungedhorizon": "tests/transcripts/imap/qresync.txt",
    r"store\.(opencache|openidle)": (
        "tests/unit/store/test_store_files.py::test_only_so_many_accounts_are_open_and_idle_ones_are_closed"
    ),
    r"store\.default(mailbox|message)quota": (
        "tests/unit/directory/test_ldif_directory.py::test_quotas_are_the_entrys_or_the_servers"
    ),
    r"service\.authcachesize": (
        "tests/unit/server/test_gate.py::test_the_cache_holds_as_many_logins_as_the_setting_says"
    ),
    r"service\.authcachettl": "tests/unit/server/test_gate.py::test_the_cache_asks_the_directory_once_for_its_lifetime",
    r"service\.badlogin\.(free|delay|maxdelay)": (
        "tests/unit/server/test_gate.py::test_the_delay_grows_after_the_free_failures_up_to_the_longest"
    ),
    r"service\.badlogin\.forget": "tests/unit/server/test_gate.py::test_failures_are_forgotten_after_a_while",
    r"service\.badlogin\.waiting": (
        "tests/unit/server/test_gate.py::test_so_many_failures_may_be_held_back_at_once_and_more_are_refused_unseen"
    ),
    r"service\.readtimeout": (
        "tests/console/test_console_service.py::test_a_client_that_is_silent_or_sends_byte_by_byte_is_closed"
    ),
    r"local\.ugldapfailures": (
        "tests/directory/test_ldap_failure.py::"
        "test_a_server_that_accepts_and_never_answers_is_left_alone_after_a_few_time_outs"
    ),
    r"local\.ugldap(connections|waiting)": (
        "tests/directory/test_ldap_failure.py::test_more_callers_than_may_wait_are_told_to_come_again"
    ),
    r"local\.ugldapcachesize": (
        "tests/directory/test_ldap_memory.py::test_no_more_names_are_remembered_than_the_setting_says"
    ),
    r"local\.ugldapcachettl": (
        "tests/directory/test_ldap_memory.py::"
        "test_an_entry_is_remembered_for_its_time_and_found_while_the_directory_is_down"
    ),
    r"local\.ugldapnegativettl": (
        "tests/directory/test_ldap_memory.py::test_nobody_is_remembered_briefly_for_mail_and_not_at_all_for_logins"
    ),
    r"local\.ugldapidletimeout": (
        "tests/directory/test_ldap_failure.py::test_connections_that_lay_unused_for_long_are_not_used_again"
    ),
    r"local\.ugldappagesize": "tests/directory/test_ldap_lookup.py::test_all_accounts_are_listed_page_by_page",
    r"service\.(imap|pop)\.maxsessionsperuser": (
        "tests/unit/server/test_crowd.py::"
        "test_up_to_the_maximum_all_stay_and_one_more_takes_the_place_of_the_longest_idle"
    ),
    r"service\.(imap|pop)\.maxsessionsperaddress": (
        "tests/unit/server/test_crowd.py::test_sessions_of_an_address_make_room_in_the_same_way"
    ),
    r"service\.(imap|pop)\.retireidle": (
        "tests/unit/server/test_crowd.py::test_who_was_heard_of_lately_is_not_silent_enough"
    ),
    r"service\.console\.maxsessions": (
        "tests/console/test_flood.py::test_with_all_connections_taken_the_next_waits_and_is_served"
    ),
    r"service\.console\.maxperaddress": (
        "tests/console/test_flood.py::test_an_address_gets_so_many_connections_and_others_are_served"
    ),
    r"service\.console\.maxtokens": "tests/console/test_rest.py::test_names_and_scopes_of_tokens_are_checked",
    r"service\.console\.idletimeout": "tests/console/test_idle.py::test_a_login_lasts_as_long_as_the_setting_says",
    r"service\.writetimeout": (
        "tests/unit/server/test_pump.py::test_a_client_that_takes_nothing_is_dropped_after_the_write_timeout"
    ),
    r"service\.descriptorreserve": (
        "tests/server/test_worker.py::test_too_few_descriptors_lower_the_maximum_of_sessions"
    ),
    r"service\.nativethreads": (
        "tests/unit/server/test_native_threads.py::test_no_more_work_runs_at_once_than_there_are_threads"
    ),
    r"service\.namelookup\.timeout": (
        "tests/unit/server/test_names.py::test_a_name_that_comes_too_late_is_none_and_known_the_next_time"
    ),
    r"service\.namelookup\.waiting": (
        "tests/unit/server/test_door.py::test_one_more_than_may_wait_is_told_to_come_again"
    ),
    r"service\.namelookup\.threads": (
        "tests/unit/server/test_names.py::"
        "test_who_waits_for_the_same_name_waits_together_and_no_more_are_asked_at_once_than_may"
    ),
    r"service\.namelookup\.cachesize": (
        "tests/unit/server/test_names.py::test_the_oldest_name_is_forgotten_for_a_new_one"
    ),
    r"service\.namelookup\.cachettl": (
        "tests/unit/server/test_names.py::test_a_name_is_looked_up_once_and_then_known_until_it_is_too_old"
    ),
    r"store\.locktimeout": "tests/unit/store/test_store_files.py::test_reading_never_waits_for_a_writer",
    r"sasl\.oauth\.leeway": "tests/unit/directory/test_token.py::test_clocks_may_differ_by_the_leeway",
    r"local\.ugldap(connecttimeout|timeout)": (
        "tests/directory/test_ldap_failure.py::test_a_hanging_server_alone_costs_each_caller_no_more_than_the_time_out"
    ),
    r"local\.ugldapretry": (
        "tests/directory/test_ldap_failure.py::test_while_a_server_is_down_one_lookup_in_a_while_tries_it"
    ),
    r"local\.uggroupdepth": (
        "tests/directory/test_groups.py::test_how_deep_groups_may_lie_in_one_another_is_a_setting"
    ),
    r"local\.ldap(connecttimeout|timeout)": (
        "tests/server/test_refresh.py::test_one_that_hangs_is_killed_when_its_time_is_over"
    ),
    r"local\.ldappoll": (
        "tests/directory/test_configured_servers.py::test_a_change_is_taken_without_being_told_where_that_is_set_and_what_is_wrong_is_logged_once"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.maxlogfilesize": (
        "tests/unit/log/test_rotation.py::test_a_file_may_be_full_to_the_byte"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.maxlogfiles": (
        "tests/unit/log/test_rotation.py::test_so_many_files_are_kept_the_present_one_among_them"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.maxlogsize": (
        "tests/unit/log/test_rotation.py::test_all_files_together_stay_below_the_maximum_of_all"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.rollovertime": (
        "tests/unit/log/test_rotation.py::test_a_file_is_renamed_when_it_is_as_old_as_the_rollover_time"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.expirytime": (
        "tests/unit/log/test_rotation.py::"
        "test_a_renamed_file_is_deleted_when_its_last_event_is_as_old_as_the_expiry_time"
    ),
    r"logfile\.(imap|pop|lmtp|nmsd)\.minfreediskspace": (
        "tests/unit/log/test_rotation.py::test_where_the_disk_gets_full_the_oldest_files_go"
    ),
    r"trace\.maxsize": "tests/server/test_trace.py::test_a_trace_ends_when_it_is_as_long_as_it_may_be",
    r"trace\.maxtime": "tests/server/test_trace.py::test_a_trace_ends_by_itself_with_its_time",
}
"""By a pattern of setting names: the test, or the transcript that sets it."""

NO_LIMITS = {
    r"service\.lmtp\.socketmode": "the mode of a file",
    r"password\.(argon2(memory|time)|scramiterations)": "what a hash costs",
    r"trace\.expirytime": "housekeeping of files that an administrator made",
}


def is_limit(setting: Setting[Any]) -> bool:
    """Whether it takes a number that is no port."""
    kind = setting.kind
    is_number = kind.spec.startswith("integer(") or kind.allowed.startswith("a size ")
    return is_number and not setting.name.endswith("port")


LIMIT_SETTINGS = [setting.name for section in SECTIONS for setting in section.settings if is_limit(setting)]


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def covering(name: str, table: dict[str, str]) -> list[str]:
    return [what for pattern, what in table.items() if re.fullmatch(pattern, name)]


@pytest.mark.parametrize("name", LIMIT_SETTINGS)
def test_a_limit_has_a_test_at_its_edge(name: str) -> None:
    found = covering(name, LIMITS) + covering(name, NO_LIMITS)
    assert found, f"{name} is a limit without a test: write one (n taken, n + 1 refused), and name it in LIMITS"
    assert len(found) == 1


@pytest.mark.parametrize(("pattern", "test"), LIMITS.items())
def test_the_tests_that_are_named_exist(pattern: str, test: str) -> None:
    path, _, function = test.partition("::")
    if function:
        assert function in functions_in(path)
    else:
        assert re.search(rf"(?m)^setting {pattern} = ", (ROOT / path).read_text())


@pytest.mark.parametrize("pattern", [*LIMITS, *NO_LIMITS])
def test_every_entry_is_for_settings_that_there_are(pattern: str) -> None:
    names = [setting.name for section in SECTIONS for setting in section.settings]
    assert any(re.fullmatch(pattern, name) for name in names)
