"""requests_client.py WHAT BASE ROWS: Python requests with one session, page by page.

WHAT is rows (visit each one) or export-csv (write them to the file `export` in $BENCH_SCRATCH with the csv
module). Prints the seconds, the rows, and of rows the sum of the column `quantity`.
"""
import csv
import operator
import os
import sys
import time

import requests

what, base, rows_wanted = sys.argv[1:4]


def pages(session):
    start = 0
    while True:
        reply = session.get(f"{base}/Import/{rows_wanted}/Data", params={"start": start, "count": 5000})
        reply.raise_for_status()
        rows = reply.json()["data"]
        if not rows:
            return
        yield rows
        start += len(rows)


def visit(session):
    seen = total = 0
    for rows in pages(session):
        for row in rows:
            total += row["quantity"]
        seen += len(rows)
    return seen, total


def export(session):
    seen, writer, cells = 0, None, None
    with open(os.path.join(os.environ["BENCH_SCRATCH"], "export"), "w", newline="", encoding="utf-8") as file:
        for rows in pages(session):
            if writer is None:
                columns = list(rows[0])
                writer, cells = csv.writer(file), operator.itemgetter(*columns)
                writer.writerow(columns)
            writer.writerows(map(cells, rows))
            seen += len(rows)
    return seen, ""


begun = time.monotonic()
with requests.Session() as the_session:
    count, check = (visit if what == "rows" else export)(the_session)
print(f"{time.monotonic() - begun:.6f} {count} {check}")
