import { describeModel } from "./describe-model.ts";
import { guarded } from "./setting.ts";

describeModel("an endpoint whose guards let nobody go unapproved", guarded);
