/** Commands of the simulated clients: a number nobody else uses, and some bytes of ballast. */
export function encodeCommand(value: number, ballast: number): Uint8Array {
  const bytes = new Uint8Array(4 + ballast);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function decodeCommand(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

/** A checkpoint's bytes: the commands so far. */
export function encodeState(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values.entries()) view.setUint32(at * 4, value);
  return bytes;
}

export function decodeState(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => view.getUint32(at * 4));
}
