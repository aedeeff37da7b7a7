#!/usr/bin/python3
"""Validates the examples with Python's jsonschema (Debian: python3-jsonschema),
as anybody can who writes another device or another centre."""
import json, pathlib, re, sys
from jsonschema import Draft202012Validator, FormatChecker

here = pathlib.Path(__file__).parent
formats = FormatChecker(())
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
formats.checks("date-time")(lambda v: not isinstance(v, str) or bool(RFC3339.fullmatch(v)))
schemas, wrong = {}, 0
for f in (here / "schema").glob("*.json"):
    schema = json.loads(f.read_text())
    Draft202012Validator.check_schema(schema)
    schemas[f.stem] = Draft202012Validator(schema, format_checker=formats)
for f in (here / "examples/valid").glob("*.json"):
    for e in schemas[f.stem].iter_errors(json.loads(f.read_text())):
        wrong += 1
        print(f"{f.name}: {e.json_path}: {e.message}")
for f in (here / "examples/invalid").glob("*.json"):
    case = json.loads(f.read_text())
    if schemas[case["schema"]].is_valid(case["message"]):
        wrong += 1
        print(f"{f.name}: found valid, although {case['why']}")
print(f"{len(schemas)} schemas, {wrong} faults")
sys.exit(1 if wrong or not schemas else 0)
