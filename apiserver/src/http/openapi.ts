import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import type { Route } from "./route.ts";
import { errorSchema } from "./schemas.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The OpenAPI 3.1 document of the routes: made of the very schemas that check the requests. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const route of routes) {
    const methods = paths[route.path] ?? {};
    methods[route.method.toLowerCase()] = operation(route);
    paths[route.path] = methods;
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "AtlasNet",
      version,
      description:
        "The control plane of an AtlasNet cluster. Every apiserver answers every request. A change that carries the header idempotency-key can be sent again with the same key: it is applied once.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Error: jsonSchema(errorSchema, "output") },
    },
  };
}

function operation(route: Route): Json {
  const parameters = [
    ...parametersOf(route.params, "path"),
    ...parametersOf(route.query, "query"),
    ...(route.changes
      ? [
          {
            name: "idempotency-key",
            in: "header",
            required: false,
            schema: { type: "string", minLength: 1, maxLength: 64 },
          },
        ]
      : []),
  ];
  const body = bodyOf(route);
  return {
    operationId: route.name,
    summary: route.summary,
    description: route.role === "anyone" ? "Without a token." : `Role: ${route.role}.`,
    tags: [route.name.split(".")[0] ?? ""],
    security: route.role === "anyone" ? [] : [{ token: [] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses: {
      [route.kind === "json" ? String(route.status) : "200"]: {
        description: "Done.",
        content: answerOf(route),
      },
      default: {
        description: "Not done, or not known to be.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

function bodyOf(route: Route): { [type: string]: Json } | undefined {
  if (route.kind === "upload") return { "application/octet-stream": { schema: {} } };
  if (route.body === undefined) return undefined;
  return { "application/json": { schema: jsonSchema(route.body, "input") } };
}

function answerOf(route: Route): { [type: string]: Json } {
  if (route.kind === "download") return { "application/octet-stream": { schema: {} } };
  const schema = jsonSchema(route.answer, "output");
  return { [route.kind === "events" ? "text/event-stream" : "application/json"]: { schema } };
}

function parametersOf(schema: v.GenericSchema, place: "path" | "query"): Json[] {
  const { properties = {}, required = [] } = convert(schema, "input");
  return Object.entries(properties).map(([name, content]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: plain(content),
  }));
}

function jsonSchema(schema: v.GenericSchema, side: "input" | "output"): Json {
  return plain(convert(schema, side));
}

function convert(schema: v.GenericSchema, side: "input" | "output"): JsonSchema {
  // What JSON schema cannot say (checks in code) is left out of the document, not of the checks.
  const { $schema: _, ...rest } = toJsonSchema(schema, { typeMode: side, errorMode: "ignore" });
  return rest;
}

function plain(schema: unknown): Json {
  const text = JSON.stringify(schema);
  const parsed: Json = JSON.parse(text);
  return parsed;
}
