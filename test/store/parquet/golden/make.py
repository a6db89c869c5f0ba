"""Writes the golden files beside it. Run with: pip install pyarrow==26.0.1; python make.py"""
import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1200
HOUR = datetime.timedelta(hours=1)
START = datetime.datetime(2025, 1, 1)


def table(at):
    return pa.table({
        "at": pa.array(at, pa.timestamp("us")),
        "day": pa.array([None if t is None else t.date() for t in at], pa.date32()),
        "row": pa.array(range(ROWS), pa.int64()),
        "city": pa.array([None if i % 11 == 0 else f"city {i * i % 37}" for i in range(ROWS)], pa.string()),
        "note": pa.array([f"{i}:" + "x" * (i % 23) for i in range(ROWS)], pa.string()),
        "price": pa.array([None if i % 5 == 0 else decimal.Decimal(i) / 100 for i in range(ROWS)], pa.decimal128(9, 2)),
        "flag": pa.array([i % 3 == 0 for i in range(ROWS)], pa.bool_()),
    })


def write(name, at, **options):
    pq.write_table(table(at), name, row_group_size=600, write_page_index=True, data_page_size=500, write_batch_size=40,
                   use_dictionary=["city"], **options)


# A stretch of nulls longer than some pages, single nulls elsewhere.
ordered = [None if 300 <= i < 520 or i % 97 == 0 else START + i * HOUR for i in range(ROWS)]
# Up and down again, then wild: bounds in no order.
mixed = [START + (i * 7919 % 1200 if 800 <= i else min(i, 800 - i)) * HOUR for i in range(ROWS)]
write("pages-ordered.parquet", ordered)
write("pages-mixed.parquet", mixed, compression="zstd", data_page_version="2.0")
