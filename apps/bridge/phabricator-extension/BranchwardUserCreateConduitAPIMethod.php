<?php

final class BranchwardUserCreateConduitAPIMethod extends ConduitAPIMethod {

  public function getAPIMethodName() {
    return 'branchward.user.create';
  }

  public function getMethodDescription() {
    return pht(
      'Creates an approved user whose address counts as verified. No mail is '.
      'sent. The same call again returns the same user; a name or an address '.
      'of another user is refused.');
  }

  protected function defineParamTypes() {
    return array(
      'userName' => 'required string',
      'email' => 'required string',
      'realName' => 'required string',
      'isBot' => 'optional bool',
    );
  }

  protected function defineReturnType() {
    return 'dict<string, wild>';
  }

  protected function defineErrorTypes() {
    return BranchwardConduit::getErrorTypes();
  }

  protected function execute(ConduitAPIRequest $request) {
    BranchwardConduit::requireAdmin($request);

    return BranchwardConduit::applyChange(
      function () use ($request) {
        return $this->createUser($request);
      });
  }

  private function createUser(ConduitAPIRequest $request) {
    $name = (string)$request->getValue('userName');
    $address = (string)$request->getValue('email');

    if (!PhabricatorUser::validateUsername($name)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        PhabricatorUser::describeValidUsername($name));
    }
    if (!PhabricatorUserEmail::isValidAddress($address)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        PhabricatorUserEmail::describeValidAddresses());
    }
    if (!PhabricatorUserEmail::isAllowedAddress($address)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        PhabricatorUserEmail::describeAllowedAddresses());
    }

    $user = id(new PhabricatorUser())->loadOneWhere('userName = %s', $name);
    $email = id(new PhabricatorUserEmail())->loadOneWhere(
      'address = %s',
      $address);

    if ($user && $email && $email->getUserPHID() === $user->getPHID()) {
      return array(
        'created' => false,
        'user' => BranchwardConduit::loadUserDictionary($user->getPHID()),
      );
    }
    if ($user) {
      throw BranchwardConduit::newError(
        'ERR-TAKEN',
        pht('The user name "%s" is taken.', $name));
    }
    if ($email) {
      throw BranchwardConduit::newError(
        'ERR-TAKEN',
        pht('The address "%s" is taken.', $address));
    }

    return array(
      'created' => true,
      'user' => $this->insertUser($request, $name, $address),
    );
  }

  private function insertUser(ConduitAPIRequest $request, $name, $address) {
    $user = id(new PhabricatorUser())
      ->setUsername($name)
      ->setRealName((string)$request->getValue('realName'))
      ->setIsApproved(1);
    $email = id(new PhabricatorUserEmail())
      ->setAddress($address)
      ->setIsVerified(1);

    $editor = id(new PhabricatorUserEditor())
      ->setActor($request->getUser());
    $editor->createNewUser($user, $email);
    if ($request->getValue('isBot')) {
      $editor->makeSystemAgentUser($user, true);
    }

    // Whoever first looks at a user without an image composes one, and saves
    // the whole row as it was when it was loaded: a user disabled meanwhile is
    // enabled again. So that is done before anybody knows the user.
    id(new PhabricatorPeopleQuery())
      ->setViewer($request->getUser())
      ->withPHIDs(array($user->getPHID()))
      ->needProfileImage(true)
      ->executeOne();

    return BranchwardConduit::loadUserDictionary($user->getPHID());
  }

}
