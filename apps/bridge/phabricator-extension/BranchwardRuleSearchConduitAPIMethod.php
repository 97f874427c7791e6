<?php

final class BranchwardRuleSearchConduitAPIMethod extends ConduitAPIMethod {

  const MAX_LIMIT = 100;

  public function getAPIMethodName() {
    return 'branchward.rule.search';
  }

  public function getMethodDescription() {
    return pht(
      'Lists the push rules of this extension by ascending id. "after" is the '.
      'id that the page begins behind.');
  }

  protected function defineParamTypes() {
    return array(
      'names' => 'optional list<string>',
      'after' => 'optional int',
      'limit' => 'optional int',
    );
  }

  protected function defineReturnType() {
    return 'dict<string, wild>';
  }

  protected function defineErrorTypes() {
    return BranchwardConduit::getErrorTypes();
  }

  public function isReadOnlyAPI() {
    return true;
  }

  protected function execute(ConduitAPIRequest $request) {
    BranchwardConduit::requireAdmin($request);

    $limit = (int)$request->getValue('limit', self::MAX_LIMIT);
    if ($limit < 1 || $limit > self::MAX_LIMIT) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('"limit" is 1 to %d.', self::MAX_LIMIT));
    }

    $ids = $this->loadIDs($request, $limit + 1);
    $has_more = count($ids) > $limit;
    $ids = array_slice($ids, 0, $limit);

    $rules = array();
    if ($ids) {
      $rules = BranchwardRule::newQuery()->withIDs($ids)->execute();
      $rules = msort($rules, 'getID');
    }

    $data = array();
    foreach ($rules as $rule) {
      $data[] = BranchwardRule::newDictionary($rule);
    }

    return array(
      'data' => $data,
      'after' => $has_more ? (int)last($ids) : null,
    );
  }

  private function loadIDs(ConduitAPIRequest $request, $limit) {
    $table = new HeraldRule();
    $conn = $table->establishConnection('r');

    $where = array();
    $where[] = qsprintf($conn, 'id > %d', $request->getValue('after', 0));
    $where[] = qsprintf($conn, 'name LIKE %>', BranchwardRule::PREFIX);

    $names = $request->getValue('names');
    if ($names !== null) {
      $where[] = $names
        ? qsprintf($conn, 'name IN (%Ls)', $names)
        : qsprintf($conn, 'FALSE');
    }

    $rows = queryfx_all(
      $conn,
      'SELECT id FROM %R WHERE %LA ORDER BY id ASC LIMIT %d',
      $table,
      $where,
      $limit);
    return ipull($rows, 'id');
  }

}
