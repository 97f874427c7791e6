import { describeModel } from "./describe-model.ts";
import { foreign } from "./setting.ts";

describeModel("an endpoint that knows no fence", foreign);
