/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Letters of one event; a watch event has about a megabyte of keys and values. */
const MAX_EVENT_LENGTH = 16 * 1024 * 1024;

/** Text in pieces to server-sent events. Comments, ids and retry times are passed over. */
export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private length = 0;

  /** @throws RangeError when an event is too long */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      const ended = this.take(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (ended !== undefined) events.push(ended);
    }
    if (this.length + this.rest.length > MAX_EVENT_LENGTH)
      throw new RangeError(`an event of more than ${MAX_EVENT_LENGTH} letters`);
    return events;
  }

  private take(line: string): ServerEvent | undefined {
    if (line === "") return this.end();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    if (field === "data") {
      this.data.push(value);
      this.length += value.length;
    }
    return undefined;
  }

  private end(): ServerEvent | undefined {
    const { event, data } = this;
    this.event = "";
    this.data = [];
    this.length = 0;
    return data.length === 0 ? undefined : { event: event || "message", data: data.join("\n") };
  }
}
