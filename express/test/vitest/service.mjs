// One service for all files, as the how-to for tests has it.
import { startService } from "@holdfast/express/testing";

import { command } from "../service.mjs";

export default async function setup(project) {
  const service = await startService({ command });
  project.provide("url", service.url);
  project.provide("serviceKey", service.serviceKey);
  return () => service.stop();
}
