export { type ApiDeps, createApp, createHealthApp } from "./app.ts";
