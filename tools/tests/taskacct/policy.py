# SPDX-License-Identifier: GPL-2.0
"""What the kernel checks requests against is what the description says."""

from ynl_client import connect

LIMITS = {"u32-max": (1 << 32) - 1, "s32-max": (1 << 31) - 1}


def described(family, attribute):
    """What the description says of the attribute of a request, as the kernel would put it."""
    kind, checks = attribute["type"], attribute.yaml.get("checks", {})
    if kind == "flag":
        return {"type": "flag"}
    if kind == "nest":
        return {"type": "nested", "policy": {
            name: described(family, inner)
            for name, inner in family.attr_sets[attribute["nested-attributes"]].items()}}
    if "flags-mask" in checks:
        names = family.consts[checks["flags-mask"]].entries
        return {"type": kind, "mask": (1 << len(names)) - 1}
    most = checks.get("max", f"{kind}-max")
    return {"type": kind, "min-value": checks.get("min", 0),
            "max-value": (1 << 64) - 1 if most == "u64-max" else LIMITS.get(most, most)}


def test_as_described():
    """Of each operation, for asking once and for dumps."""
    family = connect()
    for name, operation in family.ops.items():
        if operation.req_value is None:
            continue
        wanted = set()
        for mode in "do", "dump":
            wanted |= set(operation.yaml.get(mode, {}).get("request", {}).get("attributes", ()))
        expected = {one: described(family, operation.attr_set[one]) for one in wanted}
        for mode in "do", "dump":
            policy = family.get_policy(name, mode)
            if mode in operation.yaml:
                # Refusing all attributes needs no policy of its own.
                found = policy.to_dict() if policy is not None else {}
                assert found == expected, (name, mode, found, expected)
            else:
                assert policy is None, (name, mode, policy)
