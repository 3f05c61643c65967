/** Something that keeps values, and says so once they are durable on a quorum. */
export interface Contender {
  readonly name: string;
  put(key: string, value: Uint8Array): Promise<void>;
  /** What its processes did since the last time, where that is known. */
  figures?(): Promise<{ readonly [process: string]: unknown }>;
  stop(): Promise<void>;
}

export interface Window {
  readonly putsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Each client puts one value after the other, to keys of its own, for so long. */
export async function load(
  contender: Contender,
  clients: number,
  { seconds, value }: { readonly seconds: number; readonly value: Uint8Array },
): Promise<Window> {
  const times: number[] = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const client = async (number: number): Promise<void> => {
    for (let count = 0; performance.now() < end; count++) {
      const started = performance.now();
      await contender.put(`k${String(number * 100 + (count % 100)).padStart(7, "0")}`, value);
      times.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const took = (performance.now() - begin) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor((times.length - 1) * share)] ?? 0;
  return { putsPerSecond: times.length / took, p50Ms: at(0.5), p99Ms: at(0.99) };
}
