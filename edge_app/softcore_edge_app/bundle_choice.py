"""Bundle choice: which bundle is meant when its folder is not spelled out; see the runtime's module."""

from __future__ import annotations

from softcore_runtime.bundle_choice import BUNDLES, VARIABLE, choose_bundle, is_bundle, list_bundles

__all__ = ["BUNDLES", "VARIABLE", "choose_bundle", "is_bundle", "list_bundles"]
