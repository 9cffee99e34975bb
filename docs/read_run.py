"""Edge scores of a discovery from run.db, with Python's standard library: read_run.py RUN STEP"""
import array, sqlite3, sys

db = sqlite3.connect(sys.argv[1] + "/run.db")
(blob,) = db.execute("SELECT scores FROM discoveries WHERE step = ?", (int(sys.argv[2]),)).fetchone()
if blob is None:
    sys.exit("the scores of this discovery were not kept (run.keep_scores)")
scores = array.array("f", blob)  # float32, one per edge in edge order
if sys.byteorder == "big":  # the file's order is little endian
    scores.byteswap()
for edge, upstream, downstream in db.execute("SELECT id, upstream, downstream FROM edges ORDER BY id"):
    print(f"{scores[edge]:.9g}\t{upstream}->{downstream}")
