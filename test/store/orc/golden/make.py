"""Writes indexed-<codec>.orc beside itself, with pyarrow (Apache ORC's C++ library): small row groups and bloom filters."""
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc

rows = 1_000
random.seed(7)
nulls = lambda make: [None if random.random() < 0.1 else make(i) for i in range(rows)]
table = pa.table({
    'row': pa.array(range(rows), pa.int64()),
    'moment': pa.array([(i - 500) * 60_000_000_123 for i in range(rows)], pa.timestamp('ns')),
    'key': pa.array(nulls(lambda i: (i // 7) * 1_000_003 - 10**8), pa.int64()),
    'name': pa.array(nulls(lambda i: f'näme {random.getrandbits(20)}'), pa.string()),
    'few': pa.array(nulls(lambda i: random.choice(['red', 'green', ''])), pa.string()),
    'flag': pa.array(nulls(lambda i: random.random() < 0.3), pa.bool_()),
    'byte': pa.array(nulls(lambda i: i % 5), pa.int8()),
    'amount': pa.array(nulls(lambda i: i / 8), pa.float64()),
    'price': pa.array(nulls(lambda i: Decimal(i * i).scaleb(-2)), pa.decimal128(20, 2)),
})
for codec in ('uncompressed', 'zlib'):
    orc.write_table(
        table, str(Path(__file__).parent / f'indexed-{codec}.orc'), compression=codec, row_index_stride=50,
        dictionary_key_size_threshold=0.5, bloom_filter_columns=[3, 4], bloom_filter_fpp=0.01,
    )
