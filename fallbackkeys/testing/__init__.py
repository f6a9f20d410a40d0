"""Conformance tests of servers."""
