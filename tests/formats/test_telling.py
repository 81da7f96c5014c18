from __future__ import annotations

from dataclasses import replace

from app.associate import UNSUPPORTED
from app.formats import tell, xml
from app.tree import Tree, walk


def test_without_reasons_only_calselectors_own_message_is_left(cascade: Tree):
    assert all(node.messages == () for node in walk(tell(cascade, explain=False).root))
    odd = replace(cascade, root=replace(cascade.root, messages=(UNSUPPORTED, "no rulebook covers it")))
    assert tell(odd, explain=False).root.messages == (UNSUPPORTED,)


def test_with_reasons_every_slot_of_every_node_says_its_own(cascade: Tree):
    told = tell(cascade, explain=True).root
    assert told.messages[: len(cascade.root.messages)] == cascade.root.messages
    for node, before in zip(walk(told), walk(cascade.root), strict=True):
        assert len(node.messages) == len(before.messages) + len(before.slots)
    assert told.messages[-1] == (
        "ORDER_TABLE (rule uves.oca:54, wants 1): none; 7 candidates: 0 chosen; 0 more would do; 7 refused "
        "by inputFile.INS.GRAT2.WLEN==INS.GRAT2.WLEN; runner-up: UVES.2012-03-01T10:00:00.000 -2.67 d "
        "extended, not certified; would have to exist: ORDER_TABLE with the same INS.GRAT2.WLEN"
    )
    assert told.messages[1] == (
        "MASTER_FLAT (rule uves.oca:50, wants 1): UVES.2012-03-02T10:05:00.000 -1.50 d extended (level 2)"
    )


def test_shared_groups_stay_shared_and_only_messages_change(cascade: Tree):
    silent = tell(tell(cascade, explain=True), explain=False)
    assert len(list(walk(silent.root))) == len(list(walk(cascade.root)))
    assert xml.write(silent) == xml.write(tell(cascade, explain=False))
