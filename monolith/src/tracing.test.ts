import { formsOf } from "@atlasnet/core/testing";
import { serverForms } from "./testing/server-forms.ts";
import { tracingSuite } from "./testing/tracing-suite.ts";

for (const form of formsOf(serverForms)) tracingSuite(form);
