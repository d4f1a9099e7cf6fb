"""requests_client.py WHAT BASE ROWS: Python requests with one session, page by page.

WHAT is rows (visit each one), export-csv (write them to the file `export` in $BENCH_SCRATCH with the csv
module) or upload (a CSV file in batches of 5000 records, typed as flarelight types them) or upload-mapped (the same from a file with semicolons, with a column renamed, one left out and a constant). Prints the seconds, the rows, and of rows the sum of the column `quantity`.
"""
import csv
import itertools
import json
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


def upload(session, is_mapped=False):
    def number(text):
        return float(text) if "." in text else int(text)

    def boolean(text):
        return text == "true"

    types = {"number": number, "cost": number, "quantity": number, "damaged": boolean, "reported": boolean}
    seen, import_id = 0, None
    headers = {"Content-Type": "application/json", "User-Agent": f"{what}/{rows_wanted}"}
    path = f"{os.environ['BENCH_WORK']}/pages/{rows_wanted}{'-semicolons' if is_mapped else ''}.csv"
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file, delimiter=";" if is_mapped else ",")
        names = next(reader)
        makers = [types.get(name, str) for name in names]
        sent = ["price" if is_mapped and name == "cost" else name for name in names]
        while lines := list(itertools.islice(reader, 5000)):
            records = [{name: make(cell) for name, make, cell in zip(sent, makers, line)} for line in lines]
            if is_mapped:
                for record in records:
                    del record["phase"]
                    record["source"] = "nightly"
            seen += len(records)
            body = {"data": {"records": records}, "name": "strikes", "sendEvents": seen == int(rows_wanted)}
            if import_id is not None:
                body["id"] = import_id
            reply = session.post(f"{base}/Import/Data", data=json.dumps(body), headers=headers)
            reply.raise_for_status()
            import_id = reply.json()["data"]["id"]
    return seen, ""


begun = time.monotonic()
with requests.Session() as the_session:
    count, check = {"rows": visit, "export-csv": export, "upload": upload,
                    "upload-mapped": lambda session: upload(session, True)}[what](the_session)
print(f"{time.monotonic() - begun:.6f} {count} {check}")
