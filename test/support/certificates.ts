/** Certificates that tests serve TLS with, made by openssl and signed by their own key. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Certificates of `localhost`: one that is valid, one that has expired. */
export interface Certificates {
  readonly key: Buffer;
  readonly valid: Buffer;
  readonly expired: Buffer;
}

const CA_CONFIGURATION = `
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
`;

export async function makeCertificates(): Promise<Certificates> {
  const cwd = await mkdtemp(join(tmpdir(), "branchward-tls-"));
  const openssl = (...args: readonly string[]) => promisify(execFile)("openssl", [...args], { cwd });
  try {
    for (const [name, text] of [
      ["index", ""],
      ["serial", "01"],
      ["ca.cnf", CA_CONFIGURATION],
    ] as const) {
      await writeFile(join(cwd, name), text);
    }
    const own = ["-nodes", "-keyout", "key.pem", "-subj", "/CN=localhost"];
    await openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", ...own, "-out", "request.pem");
    const sign = [
      "ca",
      "-batch",
      "-selfsign",
      "-config",
      "ca.cnf",
      "-keyfile",
      "key.pem",
      "-in",
      "request.pem",
      "-notext",
    ];
    const read = (name: string): Promise<Buffer> => readFile(join(cwd, name));
    await openssl(...sign, "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out", "expired.pem");
    await writeFile(join(cwd, "index"), "");
    await openssl(...sign, "-startdate", "20200101000000Z", "-enddate", "20991231000000Z", "-out", "valid.pem");
    return { key: await read("key.pem"), valid: await read("valid.pem"), expired: await read("expired.pem") };
  } finally {
    await rm(cwd, { recursive: true });
  }
}
