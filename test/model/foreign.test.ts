import { describeModel } from "./describe-model.ts";

describeModel("that knows no fence", { isFencing: false });
