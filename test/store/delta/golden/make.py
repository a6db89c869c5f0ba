# Makes the tables of this folder. Needs deltalake and pyarrow; see README.md.
import datetime as dt
import decimal
import json
import os
import shutil
import sys

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake

here = os.path.dirname(os.path.abspath(__file__))
writer = WriterProperties(compression="SNAPPY")
quiet = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def fresh(name):
    path = os.path.join(here, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def write(path, table, **more):
    write_deltalake(path, table, writer_properties=writer, post_commithook_properties=quiet, **more)


utc = dt.timezone.utc
moments = [dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(2024, 2, 29, 12, 0, 0, 123_456), None]
types = pa.table({
    "byte": pa.array([-128, 127, None], pa.int8()),
    "short": pa.array([-32768, 32767, None], pa.int16()),
    "integer": pa.array([-2147483648, 2147483647, None], pa.int32()),
    "long": pa.array([-9223372036854775808, 9223372036854775807, None], pa.int64()),
    "float": pa.array([1.5, float("nan"), None], pa.float32()),
    "double": pa.array([-0.0, float("inf"), None], pa.float64()),
    "boolean": pa.array([True, False, None]),
    "string": pa.array(["", "Zürich, 東京", None]),
    "binary": pa.array([b"\x00\xff", b"", None], pa.binary()),
    "date": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "timestamp": pa.array([m and m.replace(tzinfo=utc) for m in moments], pa.timestamp("us", "UTC")),
    "timestamp_ntz": pa.array(moments, pa.timestamp("us")),
    "decimal": pa.array([decimal.Decimal("-99999999999999999999999999999999.999999"), decimal.Decimal("0.000001"), None], pa.decimal128(38, 6)),
    "list": pa.array([[1, 2], [], None], pa.list_(pa.int64())),
})
write(fresh("types"), types)

# Partitioned by columns of many types; null, and what has to be escaped.
by = pa.table({
    "id": pa.array([1, 2, 3], pa.int64()),
    "day": pa.array([dt.date(2024, 1, 1), dt.date(1969, 12, 31), None]),
    "at": pa.array([m and m.replace(tzinfo=utc) for m in moments], pa.timestamp("us", "UTC")),
    "shop": pa.array(["a/b=c%d e", "Zürich ?#&", None]),
    "flag": pa.array([True, False, None]),
    "price": pa.array([decimal.Decimal("1.50"), decimal.Decimal("12.00"), None], pa.decimal128(6, 2)),
})
write(fresh("partitioned"), by, partition_by=["day", "at", "shop", "flag", "price"])

# A history: appended to, a column added, rows deleted and updated, compacted, checkpointed, its log cleaned up to there.
path = fresh("history")
for i in range(3):
    write(path, pa.table({"id": pa.array([10 * i, 10 * i + 1], pa.int64()), "v": [f"v{i}", None]}), mode="append" if i else "error")
write(path, pa.table({"id": pa.array([30], pa.int64()), "v": ["w"], "extra": pa.array([7], pa.int32())}), mode="append", schema_mode="merge")
DeltaTable(path).delete("id = 11", writer_properties=writer, post_commithook_properties=quiet)
DeltaTable(path).update(updates={"v": "'new'"}, predicate="id = 20", writer_properties=writer, post_commithook_properties=quiet)
versions = {}
for version in range(DeltaTable(path).version() + 1):
    rows = DeltaTable(path, version=version).to_pyarrow_table().to_pylist()
    versions[version] = sorted(rows, key=lambda row: row["id"])
DeltaTable(path, version=4).create_checkpoint()
for version in range(4):
    os.remove(os.path.join(path, "_delta_log", f"{version:020}.json"))
json.dump(versions, open(os.path.join(path, "expected.json"), "w"), indent=1)
for folder, _, files in os.walk(here):
    for name in files:
        if name.endswith(".crc") or name.endswith(".tmp"):
            os.remove(os.path.join(folder, name))
