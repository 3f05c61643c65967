import type { Setting } from "../setting.ts";
import { MANY } from "./parts.ts";

export const telemetrySettings = {
  "telemetry.otlpEndpoint": {
    type: "text",
    pattern: /^https?:\/\/\S+$/,
    allowed: "an http:// or https:// address",
    example: "http://localhost:4318",
    meaning: "OpenTelemetry collector that traces are sent to.",
  },
  "telemetry.sampleOneIn": {
    type: "integer",
    min: 0,
    max: MANY,
    unit: "messages",
    default: 1000,
    meaning:
      "One in so many messages of clients is traced, from the proxy to the tick that applied it; 0: none. Needs telemetry.otlpEndpoint.",
  },
} as const satisfies { readonly [path: string]: Setting };
