"""Makes clickhouse-before-1970.orc: times about the last second before 1970. Run with Python 3.11 and chdb 4.4.0 in this folder."""
import os
import chdb

path = os.path.abspath("clickhouse-before-1970.orc")
nanoseconds = [0, -1, -1000000, -500000000, -999999999, -1000000000, -1250000000, -1999999999, 500000000]
chdb.query(f"""insert into function file('{path}', 'ORC')
select toDateTime64('1970-01-01 00:00:00', 9, 'UTC') + toIntervalNanosecond(arrayJoin({nanoseconds})) as at
settings output_format_orc_compression_method = 'none'""")
