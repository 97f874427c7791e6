import { describeModel } from "./describe-model.ts";
import { lenient } from "./setting.ts";

describeModel("an endpoint whose guards let somebody go within an hour", lenient);
