from app.oca.parser import parse
from app.oca.syntax import Association
from app.oca.terms import Key, Number, Pos, Text, Truth, children, keys


def test_position_is_no_part_of_equality() -> None:
    assert Key("A", pos=Pos(1, 2)) == Key("A", pos=Pos(3, 4))
    assert hash(Key("A", pos=Pos(1, 2))) == hash(Key("A"))


def test_integer_and_float_are_different_texts() -> None:
    assert Number(1) != Number(1.0)
    assert Number(1) != Truth(True)
    assert len({Number(1), Number(1.0), Number(1)}) == 2


def test_keys_are_in_text_order_with_repeats() -> None:
    text = "A == LF.B and (not C is string or inputFile.A between A and -D + 1)"
    (rule,) = parse(f"if {text} then X = 1;").rules.class_rules
    assert [str(key) for key in keys(rule.condition)] == ["A", "LF.B", "C", "inputFile.A", "A", "D"]
    assert children(Text("x")) == ()


def test_limits_default_to_one_file_and_a_lone_minimum_raises_the_maximum() -> None:
    def limits(minimum: int | None, maximum: int | None) -> tuple[int, int]:
        return Association("L", "calibFiles", Key("A"), minimum, maximum).limits

    assert limits(None, None) == (1, 1)
    assert limits(0, None) == (0, 1)
    assert limits(3, None) == (3, 3)
    assert limits(None, 5) == (1, 5)
    assert limits(0, 0) == (0, 0)


def test_rule_file_prints_as_one_would_write_it() -> None:
    text = """\
if A like "%X%" and (B == 1 or B == 2.5) then
{
  DO.CATG = "X";
}

minRet = 3; select execute(DARK) from rawFiles where RAW.TYPE == "DARK" group by DET.DIT as (TPL_A, tpl);

action DARK
{
priority = 30;
minRet = 0; maxRet = 1; select file as BPM from calibFiles where MJD-OBS > inputFile.MJD-OBS - 3;
recipe dark { "--a=1"; }
product MASTER
{
  PRO.CATG = "MASTER";
}
}

"""
    assert str(parse(text).rules) == text
