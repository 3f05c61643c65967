/** Reads what tests need of an OTLP export request: opentelemetry-proto, trace/v1/trace.proto. */

export interface SentSpan {
  /** What the process calls itself. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  /** Unix nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: { readonly [name: string]: unknown };
  /** 2: an error. */
  readonly status: number;
}

type Value = bigint | Buffer;

/** The fields of a protobuf message: by number, every value in the order they came. */
function fields(bytes: Buffer): Map<number, Value[]> {
  const found = new Map<number, Value[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("a protobuf message is cut off");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const raw = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const read = (wireType: bigint): Value => {
    if (wireType === 0n) return varint();
    if (wireType === 1n) return raw(8).readBigUInt64LE();
    if (wireType === 2n) return raw(Number(varint()));
    if (wireType === 5n) return BigInt(raw(4).readUInt32LE());
    throw new Error(`protobuf wire type ${wireType}`);
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const values = found.get(number) ?? [];
    values.push(read(key & 7n));
    found.set(number, values);
  }
  return found;
}

function messages(of: Map<number, Value[]>, number: number): Map<number, Value[]>[] {
  return (of.get(number) ?? []).flatMap((value) =>
    typeof value === "bigint" ? [] : [fields(value)],
  );
}

function bytesOf(of: Map<number, Value[]>, number: number): Buffer {
  const value = of.get(number)?.[0];
  return value === undefined || typeof value === "bigint" ? Buffer.alloc(0) : value;
}

function numberOf(of: Map<number, Value[]>, number: number): bigint {
  const value = of.get(number)?.[0];
  return typeof value === "bigint" ? value : 0n;
}

/** Attributes: text, truth and integers. */
function attributes(of: Map<number, Value[]>, number: number): { [name: string]: unknown } {
  return Object.fromEntries(
    messages(of, number).map((pair) => {
      const [value = new Map<number, Value[]>()] = messages(pair, 2);
      const name = bytesOf(pair, 1).toString();
      if (value.has(1)) return [name, bytesOf(value, 1).toString()];
      return [name, value.has(2) ? numberOf(value, 2) === 1n : Number(numberOf(value, 3))];
    }),
  );
}

/** Every span of an ExportTraceServiceRequest. */
export function readSpans(request: Buffer): SentSpan[] {
  return messages(fields(request), 1).flatMap((resourceSpans) => {
    const [resource = new Map<number, Value[]>()] = messages(resourceSpans, 1);
    const service = String(attributes(resource, 1)["service.name"]);
    return messages(resourceSpans, 2)
      .flatMap((scopeSpans) => messages(scopeSpans, 2))
      .map((span) => ({
        service,
        name: bytesOf(span, 5).toString(),
        traceId: bytesOf(span, 1).toString("hex"),
        spanId: bytesOf(span, 2).toString("hex"),
        parentSpanId: bytesOf(span, 4).toString("hex"),
        start: numberOf(span, 7),
        end: numberOf(span, 8),
        attributes: attributes(span, 9),
        status: Number(numberOf(messages(span, 15)[0] ?? new Map(), 3)),
      }));
  });
}
