/** Imported before everything that makes a schema: zod would try code made at run time, which the content security policy refuses and reports. */
import { z } from "zod";

z.config({ jitless: true });
