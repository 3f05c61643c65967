/** Looking into what another program answered, whose shape nobody vouches for. */

export function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Reflect.get(value, name);
}

export function textField(value: unknown, name: string): string | undefined {
  const found = field(value, name);
  return typeof found === "string" ? found : undefined;
}

export function numberField(value: unknown, name: string): number | undefined {
  const found = field(value, name);
  return typeof found === "number" ? found : undefined;
}

export interface KvItem {
  readonly key: string;
  readonly value: Buffer;
  /** Changes with every write; what compare-and-set compares. */
  readonly modifyIndex: number;
  /** Who holds it as a lock. */
  readonly session: string | undefined;
}

export interface ServiceEntry {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly meta: { readonly [name: string]: unknown };
  readonly passing: boolean;
}

/** Undefined: it is none, or there is nothing under that key. */
export function kvItem(value: unknown): KvItem | undefined {
  if (!isRecord(value)) return undefined;
  const key = textField(value, "Key");
  const modifyIndex = numberField(value, "ModifyIndex");
  if (key === undefined || modifyIndex === undefined) return undefined;
  const raw = field(value, "Value");
  return {
    key,
    modifyIndex,
    session: textField(value, "Session"),
    value: Buffer.isBuffer(raw) ? raw : Buffer.from(typeof raw === "string" ? raw : "", "base64"),
  };
}

/** Of the answer about a service's health; empty: it is none. */
export function serviceEntry(entry: unknown): ServiceEntry[] {
  const service = field(entry, "Service");
  const id = textField(service, "ID");
  if (id === undefined) return [];
  const checks = field(entry, "Checks");
  const own = textField(service, "Address") ?? "";
  const meta = field(service, "Meta");
  return [
    {
      id,
      address: own === "" ? (textField(field(entry, "Node"), "Address") ?? "") : own,
      port: numberField(service, "Port") ?? 0,
      meta: isRecord(meta) ? meta : {},
      passing: Array.isArray(checks)
        ? checks.every((check) => textField(check, "Status") === "passing")
        : true,
    },
  ];
}

export function isNotFound(error: unknown): boolean {
  return numberField(field(error, "response"), "statusCode") === 404;
}

/** What Consul said with an error; the error's own text where it said nothing. */
export function bodyOf(error: unknown): string {
  const body = field(field(error, "response"), "body");
  if (Buffer.isBuffer(body)) return body.toString();
  return typeof body === "string" ? body : String(error);
}

/** Why Consul refused a transaction as a whole, with 409; undefined: it did not. Of an error as ConsulError has it for its cause. */
export function conflictOf(error: unknown): string | undefined {
  const response = field(field(error, "cause"), "response");
  if (numberField(response, "statusCode") !== 409) return undefined;
  const errors = field(field(response, "body"), "Errors");
  return Array.isArray(errors)
    ? errors.map((each) => textField(each, "What") ?? "refused").join("; ")
    : "refused";
}
