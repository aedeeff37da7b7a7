#!/usr/bin/python3
"""Checks an audit export of a Kentongan centre: check-export.py DIR [CENTRE-KEY]

Stands on its own: Python 3.9, its standard library, nothing of Kentongan. The
centre's key is best had from somewhere else than the export. Exit status: 0 all
is proven, 3 something is not as it was (each line names what), 1 not readable.
"""
import base64, hashlib, json, pathlib, sys

# Ed25519, RFC 8032 section 5.1.7; points in extended coordinates.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    i, j, k, l = f - e, h - g, h + g, f + e
    return i * j % P, k * l % P, j * k % P, i * l % P
def times(n, a):
    r = (0, 1, 1, 0)
    while n:
        if n & 1: r = add(r, a)
        a, n = add(a, a), n >> 1
    return r
def point(b):
    y = int.from_bytes(b, "little"); sign, y = y >> 255, y & (2**255 - 1)
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P: x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign): raise ValueError("not a point")
    return (P - x if x & 1 != sign else x, y, 1, (P - x if x & 1 != sign else x) * y % P)
BASE = point(bytes([0x58]) + bytes([0x66]) * 31)
def ed25519(key, msg, sig):
    try: a, r = point(key), point(sig[:32])
    except ValueError: return False
    s = int.from_bytes(sig[32:], "little")
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + msg).digest(), "little") % L
    p, q = times(s, BASE), add(r, times(h, a))
    return s < L and (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0

def opened(msg, keys):
    """The text of a signed note (c2sp.org/signed-note), if one of the keys signed it."""
    text, _, sigs = msg.rpartition("\n\n")
    for name, kid, pub in (k.split("+", 2) for k in keys):
        for line in sigs.splitlines():
            if line.startswith(f"\u2014 {name} "):
                raw, key = base64.b64decode(line.split(" ")[2]), base64.b64decode(pub)
                if raw[:4].hex() == kid and key[0] == 1 and len(raw) == 68 and ed25519(key[1:], (text + "\n").encode(), raw[4:]):
                    return text + "\n"
    return None

def fields(text): return dict(l.split(" ", 1) for l in text.split("\n\n")[0].splitlines()[1:])
def sha(b): return base64.b64encode(hashlib.sha256(b).digest()).decode()
def lines(name):
    path = ROOT / name
    return path.read_bytes().splitlines() if path.exists() else []
def hashed(b):
    """A record with its hash; one that was erased says itself which it had, and the next one whether that is true."""
    r = json.loads(b)
    gone = r["lane"] == "complaint" and r["boot"] == "" and list(r["body"]) == ["erased"]
    return r, r["body"]["erased"] if gone else sha(b)
def bad(what):
    global wrong
    wrong += 1
    print("WRONG", what)

ROOT, wrong = pathlib.Path(sys.argv[1]), 0
raw = (ROOT / "export.json").read_bytes()
export = json.loads(raw)
centre = sys.argv[2:3] or export["centre_keys"]
if (ROOT / "export.note").exists():
    text = opened((ROOT / "export.note").read_text(), centre)
    if text is None or fields(text)["list"] != sha(raw): bad("export.json is not what the centre signed")
else: print("note: the centre did not sign this export")
for name, want in export["files"].items():
    if not (ROOT / name).exists(): bad(f"{name} is missing")
    elif hashlib.sha256((ROOT / name).read_bytes()).hexdigest() != want: bad(f"{name} was altered")

held, checked, count = {}, {}, 0  # lane → {seq: hash}; lane → newest checkpoint
for d in export["devices"]:
    dev, keys, recs, gaps = d["device"], [k["key"] for k in d["keys"]], {}, set()
    for lane in d["lanes"]:
        me = (dev, lane["lane"], lane["epoch"])
        recs[me] = [hashed(b) for b in lines(lane["file"])]
        held[me], count = {r["seq"]: h for r, h in recs[me]}, count + len(recs[me])
        for r, _ in recs[me]:
            if r["kind"] == "gap" and r["lane"] == "event":
                g = r["body"]
                gaps.add((g["lane"], g["epoch"], g["from"], g["to"]))
                if g["lane"] == "complaint" and g["reason"] == "full": bad(f"{me} record {r['seq']}: complaints are never dropped for room")
    for lane in d["lanes"]:
        me, last = (dev, lane["lane"], lane["epoch"]), 0
        prev = base64.b64encode(bytes(32)).decode()  # a lane's first record
        def missing(n, end):  # the first number that no gap record explains
            while n < end:
                to = max((t for l, e, f, t in gaps if (l, e) == me[1:] and f <= n <= t), default=None)
                if to is None: return n
                n = to + 1
        for r, h in recs[me]:
            if (r["device"], r["lane"], r["epoch"]) != me: bad(f"{me} record {last + 1}: it is of {r['device']}/{r['lane']}"); break
            if r["seq"] <= last: bad(f"{me} record {r['seq']}: doubled or reordered"); break
            hole = missing(last + 1, r["seq"])
            if hole and not lane.get("withheld"): bad(f"{me} record {hole}: missing")
            if r["seq"] == last + 1 and r.get("prev", prev) != prev: bad(f"{me} record {last or 1}: the chain is broken, it or the next one was altered")
            last, prev = r["seq"], h
        hole = missing(last + 1, lane["first"])
        if hole and not lane.get("withheld"): bad(f"{me} record {hole}: missing at the end")
    for msg in map(json.loads, lines(f"devices/{dev}/checkpoints.jsonl")):
        f, lane = fields(msg), msg.split("\n", 1)[0].rpartition("/")[2]
        me, seq = (dev, lane, f["epoch"]), int(f["seq"])
        if opened(msg, keys) is None or msg.split("\n", 1)[0] != f"kentongan/v1/{dev}/state/checkpoint/{lane}": bad(f"{me} checkpoint {seq}: not signed with the device's key"); continue
        if held.get(me, {}).get(seq) != f["hash"]: bad(f"{me} record {seq}: not what the device signed")
        checked[me] = max(checked.get(me, 0), seq)
    for msg in map(json.loads, lines(f"devices/{dev}/receipts.jsonl")):
        f, lane = fields(msg), msg.split("\n", 1)[0].rpartition("/")[2]
        me, seq = (dev, lane, f["epoch"]), int(f["seq"])
        if opened(msg, centre) is None: bad(f"{me} receipt {seq}: not signed by the centre"); continue
        if "hash" in f and held.get(me, {}).get(seq) != f["hash"]: bad(f"{me} record {seq}: not what the centre signed for")
        if int(f.get("checkpoint", "0").split(" ")[0]) > checked.get(me, 0): bad(f"{me} checkpoint {f['checkpoint'].split(' ')[0]}: the centre countersigned it, and it is gone")

number, prev, heads = 0, base64.b64encode(bytes(32)).decode(), {}
for msg in map(json.loads, lines("roots.jsonl")):
    text = opened(msg, centre)
    if text is None: bad(f"root {number + 1}: not signed by the centre"); continue
    top = [l.split(" ") for l in text.splitlines()[1:]]
    if int(top[0][1]) != number + 1 or top[1][1] != prev: bad(f"root {top[0][1]}: roots before it are gone")
    number, prev = int(top[0][1]), sha(text.encode())
    for w in top:
        if w[0] == "head": heads[(w[1], w[2], w[3])] = (number, int(w[5]), w[7], int(w[9]), int(w[11]))
        if w[0] == "key" and w[2] not in [k["key"] for d in export["devices"] if d["device"] == w[1] for k in d["keys"]]: bad(f"{w[1]}: its key {w[2]} of root {number} is gone")
for me, (n, seq, h, records, check) in heads.items():
    if me[1] == "telemetry": continue  # not chained, and often left out
    if me not in held: bad(f"{me}: root {n} had {records} records of it, and none is here")
    elif held[me].get(seq) != h: bad(f"{me} record {seq}: root {n} had another one, or it is gone")
    elif len(held[me]) < records: bad(f"{me}: root {n} had {records} records, here are {len(held[me])}")
    if check > checked.get(me, 0): bad(f"{me} checkpoint {check}: root {n} had it, and it is gone")
print(f"{len(export['devices'])} devices, {count} records, {number} roots:", f"{wrong} faults" if wrong else "proven")
sys.exit(3 if wrong else 0)
