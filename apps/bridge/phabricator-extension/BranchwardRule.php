<?php

/**
 * A Herald object rule that lets only the members of a project change one
 * branch or bookmark of a repository.
 */
final class BranchwardRule extends Phobject {

  /**
   * Rules of this extension, by their names; it touches no other.
   */
  const PREFIX = 'branchward:';

  public static function newQuery() {
    return id(new HeraldRuleQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withContentTypes(
        array(id(new HeraldPreCommitRefAdapter())->getAdapterContentType()))
      ->withRuleTypes(array(HeraldRuleTypeConfig::RULE_TYPE_OBJECT))
      ->needConditionsAndActions(true);
  }

  public static function getRefTypes() {
    return array(
      PhabricatorRepositoryPushLog::REFTYPE_BRANCH,
      PhabricatorRepositoryPushLog::REFTYPE_BOOKMARK,
    );
  }

  /**
   * The whole state of a rule, as Herald serializes it.
   *
   * The name is compared by a regular expression: "is" compares loosely, so
   * that "1.0" would be "1.00", and "contains" ignores case. "\z" is the very
   * end, "$" would also stand before a newline.
   */
  public static function newState($ref_type, $ref, $project, $message) {
    return array(
      'match_all' => true,
      'conditions' => array(
        array(
          'field' => DiffusionPreCommitRefTypeHeraldField::FIELDCONST,
          'condition' => HeraldAdapter::CONDITION_IS,
          'value' => $ref_type,
        ),
        array(
          'field' => DiffusionPreCommitRefNameHeraldField::FIELDCONST,
          'condition' => HeraldAdapter::CONDITION_REGEXP,
          'value' => '@\A'.preg_quote($ref, '@').'\z@',
        ),
        array(
          'field' => DiffusionPreCommitRefPusherProjectsHeraldField::FIELDCONST,
          'condition' => HeraldAdapter::CONDITION_INCLUDE_NONE,
          'value' => array($project),
        ),
      ),
      'actions' => array(
        array(
          'action' => DiffusionBlockHeraldAction::ACTIONCONST,
          'target' => $message,
        ),
      ),
      'repetition_policy' => HeraldRule::REPEAT_EVERY,
    );
  }

  /**
   * A rule as the methods return it. "isIntact" is false when somebody gave it
   * other conditions, or another action.
   */
  public static function newDictionary(HeraldRule $rule) {
    $state = id(new HeraldRuleSerializer())->serializeRule($rule);
    $parts = self::newParts($state);

    return array(
      'id' => (int)$rule->getID(),
      'phid' => $rule->getPHID(),
      'name' => $rule->getName(),
      'repository' => $rule->getTriggerObjectPHID(),
      'refType' => idx($parts, 'refType'),
      'ref' => idx($parts, 'ref'),
      'project' => idx($parts, 'project'),
      'isIntact' => (bool)$parts && self::isUnderstood($rule),
      'isDisabled' => (bool)$rule->getIsDisabled(),
    );
  }

  /**
   * Herald passes over rules of a newer version than its own.
   */
  private static function isUnderstood(HeraldRule $rule) {
    $version = id(new HeraldRule())->getConfigVersion();
    return $rule->getConfigVersion() <= $version;
  }

  private static function newParts(array $state) {
    $values = array_values(ipull($state['conditions'], 'value'));
    if (count($values) !== 3 || count($state['actions']) !== 1) {
      return array();
    }

    list($ref_type, $pattern, $projects) = $values;
    $matches = null;
    if (!is_string($ref_type) || !is_string($pattern) || !is_array($projects) ||
        !preg_match('(^@\\\\A(.*)\\\\z@\z)s', $pattern, $matches)) {
      return array();
    }

    $parts = array(
      'refType' => $ref_type,
      'ref' => preg_replace('/\\\\(.)/s', '$1', $matches[1]),
      'project' => head($projects),
    );
    $message = head($state['actions']);
    $again = self::newState(
      $parts['refType'],
      $parts['ref'],
      $parts['project'],
      idx($message, 'target'));
    // Loosely, since the database returns numbers as strings.
    return $again == $state ? $parts : array();
  }

}
