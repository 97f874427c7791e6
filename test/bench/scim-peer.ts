/** Serves the peer of the SCIM bench in a process of its own; prints where. */
import { startScimmyServer } from "../support/scimmy-server.ts";

const { url } = await startScimmyServer();
console.log(url);
