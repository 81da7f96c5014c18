"""The tree as JSON, with the reason of every slot.

```
{ dp_id, asked, mode,                        the frame; the mode asked for and the one executed
  signed: { rulebook, checksum, revision },  what the answer depends on
  worst_level,                               the greatest level of all matches; null where none has one
  uncertified: [dp_id],                      the first file of each main calibration that is not certified
  tree: NODE }

NODE = { category, type,                     "main" or "auxiliary"
         kind,                               "group" of raw files, or a single calibration "file"
         certified, complete, match, level,  match and level are null at the root
         mjd, files: [{ dp_id, category, mjd, size_bytes, sha256, certified }],
         messages: [text],
         rule, action, recipe, options, products: [{ category, tag, name }],
         slots: [SLOT], children: [NODE] }   children in the order of the XML

SLOT = { label, rule,                        rule is "file:line"
         min, max, auxiliary, satisfied,
         chosen: [{ child, name, product, match, level, days }],
         why: { needed, counted, seen, surplus, limited,
                refused: [{ clause, line, count }],
                runner_up: RIVAL, rivals: [RIVAL] } }

RIVAL = { name, days, match, level, certified }  the next best: the runner-up first
```

`child` is the place of the chosen node in `children`, `name` its first dp_id, `product` the virtual
product taken from it (null for a file that exists). `days` is the signed distance in time, `mjd` is
MJD-OBS in days. `match` is CalSelector's word, `level` the number behind it: below 0 stricter than the
calibration plan, 0 inside it (`calib_plan`), 1 and more outside (`extended`), null for `N/A`: the rule
has no plan. Auxiliary files do not count for `worst_level`. What is not known is null. Where `counted`
is false nobody counted, and `seen`, `surplus` and `refused` say nothing. Paths on the server's disks
are not told.

A sub-cascade is repeated in full wherever it is needed, as in the XML: a reader needs one recursion
and no table of references, and compression takes the repetition away again. It is repeated once for
each parent, not for each slot: a group that gives one parent six products would otherwise multiply
at every level.
"""

from __future__ import annotations

import orjson

from app.tree import Choice, File, Node, Product, Rival, Slot, Tree, Why, children, uncertified, worst_level


def write(tree: Tree) -> bytes:
    """The tree as indented UTF-8 JSON with its keys in a fixed order."""
    return orjson.dumps(to_dict(tree), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def to_dict(tree: Tree) -> dict[str, object]:
    """The tree as plain dicts and lists; parts that repeat are the same objects, so do not change them."""
    return {
        "dp_id": tree.dp_id,
        "asked": tree.asked,
        "mode": tree.mode,
        "signed": {"rulebook": tree.rulebook, "checksum": tree.checksum, "revision": tree.revision},
        "worst_level": worst_level(tree.root),
        "uncertified": list(uncertified(tree.root)),
        "tree": {"match": None, "level": None, "type": "main"} | _node(tree.root, {}),
    }


def _node(node: Node, done: dict[int, dict[str, object]]) -> dict[str, object]:
    """A node without the three keys that depend on its parent; `done` holds the nodes met before."""
    if id(node) in done:
        return done[id(node)]
    listed = children(node)
    place = {id(child.node): i for i, child in enumerate(listed)}
    made: dict[str, object] = {
        "category": node.category,
        "kind": node.kind,
        "certified": node.certified,
        "complete": node.complete,
        "mjd": node.mjd,
        "files": [_file(file) for file in node.files],
        "messages": list(node.messages),
        "rule": None if node.rule is None else str(node.rule),
        "action": node.action,
        "recipe": None if node.step is None else node.step.recipe,
        "options": [] if node.step is None else list(node.step.options),
        "products": [_product(product) for product in node.products],
        "slots": [_slot(slot, place) for slot in node.slots],
        "children": [
            {"match": child.match, "level": child.level, "type": "auxiliary" if child.auxiliary else "main"}
            | _node(child.node, done)
            for child in listed
        ],
    }
    done[id(node)] = made
    return made


def _file(file: File) -> dict[str, object]:
    return {
        "dp_id": file.dp_id,
        "category": file.category,
        "mjd": file.mjd,
        "size_bytes": file.size,
        "sha256": file.sha256,
        "certified": file.certified,
    }


def _product(product: Product) -> dict[str, object]:
    return {"category": product.category, "tag": product.tag, "name": product.name}


def _slot(slot: Slot, place: dict[int, int]) -> dict[str, object]:
    return {
        "label": slot.label,
        "rule": str(slot.rule),
        "min": slot.minimum,
        "max": slot.maximum,
        "auxiliary": slot.auxiliary,
        "satisfied": slot.satisfied,
        "chosen": [_choice(choice, place) for choice in slot.chosen],
        "why": _why(slot.why),
    }


def _choice(choice: Choice, place: dict[int, int]) -> dict[str, object]:
    return {
        "child": place[id(choice.node)],
        "name": choice.node.files[0].dp_id if choice.node.files else None,
        "product": None if choice.product is None else _product(choice.product),
        "match": choice.match,
        "level": choice.level,
        "days": choice.days,
    }


def _why(why: Why) -> dict[str, object]:
    return {
        "needed": why.needed,
        "counted": why.counted,
        "seen": why.seen,
        "surplus": why.surplus,
        "limited": why.limited,
        "refused": [{"clause": r.clause, "line": r.line, "count": r.count} for r in why.refused],
        "runner_up": None if why.runner_up is None else _rival(why.runner_up),
        "rivals": [_rival(rival) for rival in why.rivals],
    }


def _rival(rival: Rival) -> dict[str, object]:
    return {
        "name": rival.name,
        "days": rival.days,
        "match": rival.match,
        "level": rival.level,
        "certified": rival.certified,
    }
