export { loadExampleDirectory } from "../start/example.ts";
export { tellGitStory } from "./git-story.ts";
export { tellHgStory } from "./hg-story.ts";
export type { Narrator } from "./narrator.ts";
export { createStage, type Stage, type StageOptions } from "./stage.ts";
