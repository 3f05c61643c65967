/** One page of a bucket's listing. */
export interface ListPage {
  readonly keys: readonly string[];
  /** Undefined on the last page. */
  readonly next: string | undefined;
}

/**
 * Reads the answer to ListObjectsV2. It is flat XML of one shape, of which two elements count; anything
 * that is not there is not made up: undefined when this is no such answer.
 */
export function parseListPage(xml: string): ListPage | undefined {
  if (!xml.includes("<ListBucketResult")) return undefined;
  const keys: string[] = [];
  for (const [, contents = ""] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
    const key = element(contents, "Key");
    if (key !== undefined) keys.push(key);
  }
  if (element(xml, "IsTruncated") !== "true") return { keys, next: undefined };
  const next = element(xml, "NextContinuationToken");
  return next === undefined ? undefined : { keys, next };
}

/** The `Code` and `Message` of an error answer, for people; empty when there are none. */
export function errorText(xml: string): string {
  const parts = [element(xml, "Code"), element(xml, "Message")];
  return parts
    .filter((part) => part !== undefined)
    .join(": ")
    .slice(0, 300);
}

function element(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return found === undefined ? undefined : unescaped(found);
}

const ENTITIES: { readonly [name: string]: string } = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

function unescaped(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g,
    (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
      if (name !== undefined) return ENTITIES[name] ?? whole;
      const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
    },
  );
}
