import { describeModel } from "./describe-model.ts";
import { fencing } from "./setting.ts";

describeModel("an endpoint that refuses a stale fence", fencing);
