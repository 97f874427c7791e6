import {
  childOf,
  type ConfigurationNode,
  createReader,
  type Problem,
  type Reader,
  readYaml,
  secretField,
} from "@branchward/core";
import { z } from "zod";
import { readGitolite } from "../gitolite/configuration.ts";
import { readMercurial } from "../mercurial/configuration.ts";
import { readPhabricator } from "../phabricator/configuration.ts";
import * as field from "./fields.ts";
import type { BridgeConfiguration, TargetConfiguration } from "./types.ts";

/** The native systems, each with how its section is read. */
const SECTIONS: {
  readonly [Kind in TargetConfiguration["kind"]]: (reader: Reader, node: ConfigurationNode) => TargetConfiguration;
} = {
  mercurial: (reader, node) => ({ kind: "mercurial", ...readMercurial(reader, node) }),
  gitolite: (reader, node) => ({ kind: "gitolite", ...readGitolite(reader, node) }),
  phabricator: (reader, node) => ({ kind: "phabricator", ...readPhabricator(reader, node) }),
};

/** Which native systems a bridge can stand in front of. */
export const TARGET_KINDS: readonly TargetConfiguration["kind"][] = ["mercurial", "gitolite", "phabricator"];

/** Every problem of `bridge.yaml` at once, sorted by line, or the configuration with defaults filled in. */
export function parseBridgeConfiguration(
  text: string,
  file: string,
): { readonly configuration: BridgeConfiguration } | { readonly problems: readonly Problem[] } {
  const yaml = readYaml(text, file);
  if ("problems" in yaml) return yaml;
  const reader = createReader(yaml.source, file);
  const configuration = readBridge(reader, { value: yaml.source.value, path: [] });
  if (configuration !== undefined && reader.problems.length === 0) return { configuration };
  return { problems: reader.problems.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

function readBridge(reader: Reader, root: ConfigurationNode): BridgeConfiguration | undefined {
  const fields = reader.readFields(root, {
    listen: field.address,
    token: secretField,
    state: field.path,
    mercurial: z.unknown(),
    gitolite: z.unknown(),
    phabricator: z.unknown(),
  });
  const given = TARGET_KINDS.filter((kind) => childOf(root, kind).value !== undefined);
  const [kind] = given;
  if (given.length > 1) reader.report(root.path, `has ${given.join(" and ")}: a bridge stands in front of one of them`);
  if (kind === undefined) {
    reader.report(root.path, `names no native system: add one of ${TARGET_KINDS.join(", ")}`);
    return undefined;
  }
  const target = SECTIONS[kind](reader, childOf(root, kind));
  const { listen, token, state } = fields;
  if (listen === undefined || token === undefined || state === undefined) return undefined;
  return { file: reader.file, ...listen, token, stateDir: state, target };
}
