from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.tables.sql import check_condition, query

COLUMNS = pa.schema(
    [
        ("n", pa.int64()),
        ("brand", pa.string()),
        ("price_eur", pa.float64()),
        ("error", pa.struct([("code", pa.string())])),
    ]
)


@pytest.mark.parametrize(
    "condition",
    [
        "n = 1",
        "(n = 1)",
        "n = 1\n  AND brand = 'x'",
        "true",
        "NOT (n IN (1, 2) OR brand IS NULL)",
        "brand LIKE '%--%'",
        "brand = '/* x */' OR brand = ';' OR brand = '?'",
        "brand = 'it''s'",
        "brand = $$a);--$$",
        "error.code = 'storage'",
        "CASE WHEN n = 1 THEN true ELSE n > 5 END",
        "n BETWEEN 1 AND 2",
        "n::VARCHAR = '1'",
        "COLUMNS('price.*') > 3",
        "n IN (SELECT unnest([1, 2]) ORDER BY 1 LIMIT 1)",
        "EXISTS (SELECT 1)",
        "n IN (" + ", ".join(map(str, range(5000))) + ")",
    ],
)
def test_one_expression_is_a_condition(condition: str) -> None:
    check_condition(condition, COLUMNS)


ONE = "must be one expression"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "is empty"),
        (" \t\n", "is empty"),
        ("n=1 --", f"{ONE}, without comments"),
        ("n=1 -- and no more\n", f"{ONE}, without comments"),
        ("n=1 /* x */", f"{ONE}, without comments"),
        ("/**/n=1", f"{ONE}, without comments"),
        ("n=1 /* x", ONE),
        ("1=1); CREATE TABLE x (i INT)", "syntax error"),
        ("1=1); SELECT (1", "syntax error"),
        ("1=1; SELECT 2", ONE),
        ("n=1;", "syntax error"),
        ("n=1) OR (true", "syntax error"),
        ("true) LIMIT (1", "syntax error"),
        ("n=1)", "syntax error"),
        ("(n=1", "syntax error"),
        ("n=1, 2", ONE),
        ("n=1 AS x", ONE),
        ("n=1 x", ONE),
        ("n=1 FROM nothing", ONE),
        ("n=1 WHERE true", ONE),
        ("n=1 GROUP BY n", ONE),
        ("n=1 HAVING true", ONE),
        ("n=1 QUALIFY true", ONE),
        ("n=1 ORDER BY n", ONE),
        ("n=1 LIMIT 1", ONE),
        ("n=1 USING SAMPLE 3", ONE),
        ("n=1 UNION SELECT true", ONE),
        ("n=1 WINDOW w AS ()", "syntax error"),
        ("DISTINCT n", ONE),
        ("ALL n", "syntax error"),
        ("n = ?", ONE),
        ("n = $1", ONE),
        ("*", "STAR expression is not allowed"),
        ("count(*) > 1", "aggregates"),
        ("row_number() OVER () = 1", "window functions"),
        ("n=1\0", "NUL"),
        ("n='\ud800'", "UTF-8"),
        ("n = 1" + " " * 1_000_000, "characters, at most"),
        ("(" * 1500 + "n" + ")" * 1500, "depth"),
        ("n IN (SELECT n FROM read_csv('/etc/hosts'))", "disabled by configuration"),
        ("n IN (FROM '/etc/hosts')", "does not exist"),
    ],
)
def test_anything_else_is_refused_in_one_line(condition: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        check_condition(condition, COLUMNS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_query_names_what_is_wrong_in_one_line() -> None:
    with pytest.raises(ValueError, match="somewhere does not exist") as caught:
        query("SELECT * FROM somewhere")
    assert "\n" not in str(caught.value)
