"""Writes old-<zone>.orc beside itself, with Spark, whose files are in the hybrid calendar, by the clock of a zone: `make_spark.py <zone>`."""
import shutil, sys, tempfile
from pathlib import Path

from pyspark.sql import SparkSession

zone = sys.argv[1]
spark = (SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false').config('spark.sql.session.timeZone', zone)
    .config('spark.driver.extraJavaOptions', f'-Duser.timezone={zone}').getOrCreate())
steps = lambda days: f'make_dt_interval(cast(id * {days} as int), cast(id % 24 as int), cast(id % 60 as int), id % 7)'
rows = spark.range(1200).selectExpr('id', "if(id % 9 = 8, null, date_add(date'0001-01-01', cast(id * 577 as int))) as day",
    f"if(id % 8 = 7, null, timestamp_ntz'0001-01-03 00:00:00.123456' + {steps(577)}) as local",
    # Around 1970, by seconds that are not whole.
    "timestamp_ntz'1969-12-31 12:00:00.5' + make_dt_interval(0, 0, 0, id * 41) as turn").selectExpr('id', 'day', 'local', 'cast(local as timestamp) as at', 'cast(turn as timestamp) as turn')
with tempfile.TemporaryDirectory() as folder:
    rows.coalesce(1).write.mode('overwrite').option('orc.row.index.stride', 1000).option('compression', 'zlib').orc(folder)
    shutil.copy(next(Path(folder).glob('*.orc')), Path(__file__).parent / f"old-{zone.split('/')[-1]}.orc")
