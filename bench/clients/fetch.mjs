// fetch.mjs WHAT BASE COUNT: Node's fetch.
// WHAT is rows (the pages of an import, one after another) or concurrent (the small call, 64 at once,
// after 100 to warm up). Prints the seconds, the rows or calls, and the sum of the column `quantity`.

const [what, base, count] = process.argv.slice(2);

async function get(path) {
  const reply = await fetch(base + path);
  if (reply.status !== 200) throw new Error(`${path}: status ${reply.status}`);
  return (await reply.json()).data;
}

async function rows() {
  let seen = 0, sum = 0;
  for (;;) {
    const page = await get(`/Import/${count}/Data?start=${seen}&count=5000`);
    if (page.length === 0) return [seen, sum];
    for (const row of page) sum += row.quantity;
    seen += page.length;
  }
}

async function calls(number) {
  let left = number;
  async function worker() {
    while (left-- > 0) await get("/Import/All");
  }
  await Promise.all(Array.from({ length: 64 }, worker));
  return [number, ""];
}

if (what === "concurrent") await calls(100);
const begun = performance.now();
const [done, sum] = await (what === "rows" ? rows() : calls(Number(count)));
console.log(((performance.now() - begun) / 1000).toFixed(6), done, sum);
process.exit(0); // without waiting for idle connections
