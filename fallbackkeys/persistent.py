"""The persistent map: the only module that imports one.

Every larger collection of a state is such a map, so that a step shares what it does not change instead of
copying it: a lookup, a change and a removal are O(log n) with base 32. Which library, and why, is
`specs/decisions/0001-persistent-map.md`; replacing it means replacing this file.
"""

from immutables import Map

__all__ = ["Map"]
