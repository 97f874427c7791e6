import { describe, expect, it } from "vitest";
import { isAllowedAddress } from "./address-guard.ts";

describe("addresses of endpoints", () => {
  it.each(["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])("may be public: %s", (address) => {
    expect(isAllowedAddress(address, [])).toBe(true);
  });

  it.each([
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "not an address",
  ])("may not be %s", (address) => {
    expect(isAllowedAddress(address, [])).toBe(false);
  });

  it("may be in a network that is allowed, in IPv6 clothes too, and in no other", () => {
    const allow = ["10.0.0.0/8", "fd00::/8"];
    expect(["10.9.8.7", "::ffff:10.9.8.7", "fd12::1"].map((address) => isAllowedAddress(address, allow))).toEqual([
      true,
      true,
      true,
    ]);
    expect(["11.0.0.1", "192.168.1.1", "fe80::1"].map((address) => isAllowedAddress(address, allow))).toEqual([
      true,
      false,
      false,
    ]);
  });
});
