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

# With checksums of pages, for flipped bits.
pq.write_table(table(ordered).slice(0, 200), "checksums.parquet", row_group_size=100, data_page_size=500, write_batch_size=40, write_page_checksum=True)

# Every encoding of every type that has it, each under another codec.
CODECS = ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]
COUNT = 60


def cells(value):
    return [None if i % 7 == 3 else value(i) for i in range(COUNT)]


encoded = {
    "int32": (pa.int32(), cells(lambda i: i * 7919 - 200000), ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "DICT"]),
    "int64": (pa.int64(), cells(lambda i: (i - 30) * 1234567890123), ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "DICT"]),
    "uint32": (pa.uint32(), cells(lambda i: 4294967295 - i), ["PLAIN", "DELTA_BINARY_PACKED", "DICT"]),
    "float": (pa.float32(), cells(lambda i: i / 8 - 3), ["PLAIN", "BYTE_STREAM_SPLIT", "DICT"]),
    "double": (pa.float64(), cells(lambda i: i / 16 - 2), ["PLAIN", "BYTE_STREAM_SPLIT", "DICT"]),
    "at": (pa.timestamp("us"), cells(lambda i: START + i * HOUR), ["PLAIN", "DELTA_BINARY_PACKED", "DICT"]),
    "text": (pa.string(), cells(lambda i: f"Łódź {i % 9}" + "." * (i % 5)), ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "DICT"]),
    "binary": (pa.binary(), cells(lambda i: bytes([i, 255 - i])), ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "DICT"]),
    "bool": (pa.bool_(), cells(lambda i: i % 3 == 0), ["PLAIN", "RLE"]),
    "decimal": (pa.decimal128(38, 2), cells(lambda i: decimal.Decimal((i - 30) * 10**20) / 100), ["PLAIN", "DICT"]),
    "small": (pa.decimal128(9, 2), cells(lambda i: decimal.Decimal(i - 30) / 100), ["PLAIN", "DICT"]),
}
names = [f"{kind}/{encoding}/{codec}" for i, (kind, (_, _, encodings)) in enumerate(encoded.items()) for j, encoding in enumerate(encodings) for codec in [CODECS[(i + j) % 6], CODECS[(i + j + 3) % 6]]]
arrays = {name: pa.array(encoded[name.split("/")[0]][1], encoded[name.split("/")[0]][0]) for name in names}
for version in ["1.0", "2.0"]:
    pq.write_table(
        pa.table(arrays), f"encodings-v{version[0]}.parquet", data_page_version=version, version="2.6", store_schema=False, store_decimal_as_integer=version == "2.0",
        use_dictionary=[name for name in names if "/DICT/" in name], compression={name: name.split("/")[2] for name in names},
        column_encoding={name: name.split("/")[1] for name in names if "/DICT/" not in name}, write_statistics=False,
    )
