import { describeModel } from "./describe-model.ts";

describeModel("that refuses a stale fence", { isFencing: true });
