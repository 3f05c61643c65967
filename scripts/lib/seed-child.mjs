// A process of seed-jobs.mjs: runs what it is told, and answers with what came of it.
import { pathToFileURL } from "node:url";

// Between two simulated events whatever can go on by itself does.
const settle = () => new Promise((resolve) => setImmediate(resolve));

process.on("message", async ({ runner, ...options }) => {
  const { runSeeds } = await import(pathToFileURL(runner).href);
  const { totals, failures } = await runSeeds({ ...options, settle });
  const [failed] = failures.map(({ error: { message, stack } }) => ({ message, stack }));
  process.send?.({ totals, failed });
});
