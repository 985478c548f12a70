import express from "express";
import { expect, inject, test } from "vitest";

import { holdfast } from "@holdfast/express";
import { joinService } from "@holdfast/express/testing";

import { site } from "../site.mjs";

test("who has joined a service does not end it for others", async () => {
  const address = { url: inject("url"), serviceKey: inject("serviceKey") };
  const first = joinService(address);
  await first.stop();
  const second = joinService(address);
  const sessions = holdfast(second);
  const ada = second.client(site(express, sessions));
  await ada.signIn("ada");
  expect((await ada.get("/me")).status).toBe(200);
  sessions.close();
  await second.stop();
});
