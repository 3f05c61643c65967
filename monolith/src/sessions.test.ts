import { formsOf } from "@atlasnet/core/testing";
import { serverForms } from "./testing/server-forms.ts";
import { sessionsSuite } from "./testing/sessions-suite.ts";

for (const form of formsOf(serverForms)) sessionsSuite(form);
