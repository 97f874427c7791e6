import { agentReceiver } from "./agent/receiver.ts";
import { githubReceiver } from "./github/receiver.ts";
import type { ReceiverType, SourceReceiver } from "./source-receiver.ts";

const receivers: Readonly<Record<ReceiverType, SourceReceiver>> = { agent: agentReceiver, github: githubReceiver };

/** How deliveries of sources of this type are verified, identified and understood. */
export function findReceiver(type: ReceiverType): SourceReceiver {
  return receivers[type];
}
