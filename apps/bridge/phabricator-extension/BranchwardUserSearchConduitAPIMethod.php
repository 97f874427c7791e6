<?php

final class BranchwardUserSearchConduitAPIMethod extends ConduitAPIMethod {

  const MAX_LIMIT = 100;

  public function getAPIMethodName() {
    return 'branchward.user.search';
  }

  public function getMethodDescription() {
    return pht(
      'Lists users by ascending id, with their primary addresses and public '.
      'keys. "after" is the id that the page begins behind.');
  }

  protected function defineParamTypes() {
    return array(
      'phids' => 'optional list<phid>',
      'userNames' => 'optional list<string>',
      'emails' => 'optional list<string>',
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

    $table = new PhabricatorUser();
    $conn = $table->establishConnection('r');
    $where = $this->newWhere($request, $conn);
    // One more than asked for tells whether another page follows.
    $users = $table->loadAllWhere(
      '%LA ORDER BY id ASC LIMIT %d',
      $where,
      $limit + 1);

    $has_more = count($users) > $limit;
    $users = array_slice($users, 0, $limit);

    return array(
      'data' => BranchwardConduit::newUserDictionaries($users),
      'after' => $has_more ? (int)last($users)->getID() : null,
    );
  }

  private function newWhere(ConduitAPIRequest $request, $conn) {
    $where = array();
    $where[] = qsprintf($conn, 'id > %d', $request->getValue('after', 0));

    $phids = $request->getValue('phids');
    if ($phids !== null) {
      $where[] = $phids
        ? qsprintf($conn, 'phid IN (%Ls)', $phids)
        : qsprintf($conn, 'FALSE');
    }

    $names = $request->getValue('userNames');
    if ($names !== null) {
      $where[] = $names
        ? qsprintf($conn, 'userName IN (%Ls)', $names)
        : qsprintf($conn, 'FALSE');
    }

    $emails = $request->getValue('emails');
    if ($emails !== null) {
      $owners = array();
      if ($emails) {
        $owners = mpull(
          id(new PhabricatorUserEmail())->loadAllWhere(
            'address IN (%Ls)',
            $emails),
          'getUserPHID');
      }
      $where[] = $owners
        ? qsprintf($conn, 'phid IN (%Ls)', $owners)
        : qsprintf($conn, 'FALSE');
    }

    return $where;
  }

}
